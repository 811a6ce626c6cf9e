int part(int number);

__attribute__((visibility("default"))) int part(int number)
{
    return number < 2 ? 1 : number * part(number - 1);
}
