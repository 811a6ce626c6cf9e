variable "LIST" {
  type = list(string)
  default = ["a", "b"]
}
variable "NUMBERS" {
  type = set(number)
  default = [3, 1, 3]
}
variable "MAP" {
  type = map(string)
  default = { a = 1 }
}
variable "OBJECT" {
  type = object({ name = string, age = optional(number) })
  default = { name = "x" }
}
variable "TYPED" {
  type = number
}
variable "FLAGS" {
  type = tuple([bool, string])
  default = [true, "x"]
}
target "default" {
  args = {
    LIST = join(",", LIST)
    NUMBERS = jsonencode(NUMBERS)
    MAP = MAP.a
    OBJECT = jsonencode(OBJECT)
    TYPED = TYPED == null ? "null" : TYPED
    FLAGS = jsonencode(FLAGS)
  }
}
