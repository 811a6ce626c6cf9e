#include <algorithm>
#include <map>
#include <string>
#include <vector>
