variable "TAG" {
  default = "two"
}
target "app" {
  args = { B = "3", C = "${TAG}" }
  cache-from = ["c/d"]
  output = ["type=registry"]
  platforms = ["linux/arm64"]
}
target "more" {}
group "default" {
  targets = ["app", "more"]
}
