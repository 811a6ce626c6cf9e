variable "PUSH" {
  default = "false"
}
variable "N" {
  default = 0
}
target "default" {
  output = [PUSH == "true" ? "type=registry" : "type=docker"]
  args = {
    unified = N == 0 ? 1 : "text"
    lazy = N == 0 ? "safe" : [][0]
    chain = N == 0 ? "zero" : N == 1 ? "one" : "many"
    types = 1 == "1"
    order = 2 >= 2
    multi = (
      N > 1
      ? "big"
      : "small"
    )
  }
}
