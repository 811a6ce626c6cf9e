variable "TAG" {
  default = "one"
}
target "app" {
  tags = ["app:${TAG}"]
  args = { A = "1", B = "2" }
  cache-from = ["a/b"]
  output = ["type=docker"]
}
group "default" {
  targets = ["app"]
}
