variable "ARCHES" {
  default = "amd64 arm64"
}
target "app" {
  name = "app-${arch}-${os}"
  matrix = {
    arch = split(" ", ARCHES)
    os = ["a", "b"]
  }
  platforms = ["linux/${arch}"]
  args = { OS = os }
}
