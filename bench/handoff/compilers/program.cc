#include "header.h"
#include <iostream>
#include <stdexcept>

template <typename T> struct Counter {
    std::map<T, int> counts;
    void add(const T &value) { counts[value]++; }
};

int main()
{
    Counter<std::string> counter;
    std::vector<std::string> words{"one", "two", "one"};
    std::sort(words.begin(), words.end());
    for (const auto &word : words)
        counter.add(word);
    try {
        throw std::runtime_error(__FILE__);
    } catch (const std::exception &error) {
        std::cout << error.what() << ' ' << counter.counts["one"] << ' ' << 1.0L / 3 << '\n';
    }
}
