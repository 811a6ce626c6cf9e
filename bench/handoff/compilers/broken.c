#include <nowhere.h>
int main(void) { return missing }
