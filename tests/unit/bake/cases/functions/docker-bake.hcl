variable "REPO" {
  default = "org/app"
}
variable "TAG" {
  default = ""
}
function "tag" {
  params = [name]
  result = ["${REPO}:${name}", notequal("", TAG) ? "${REPO}:${TAG}" : ""]
}
function "increment" {
  params = [number]
  result = number + 1
}
function "all" {
  params = [first]
  variadic_params = others
  result = join("+", concat([first], others))
}
function "twice" {
  params = [n]
  result = increment(increment(n))
}
target "app" {
  tags = tag("latest")
  args = {
    buildno = "${increment(123)}"
    twice = twice(1)
    all = all("a", "b", "c")
    spread = all(["x", "y", "z"]...)
  }
}
