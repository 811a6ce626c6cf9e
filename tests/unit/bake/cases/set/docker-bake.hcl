target "app" {
  args = { A = "1", B = "2" }
  tags = ["x"]
  platforms = ["linux/amd64"]
}
target "app2" {
  inherits = ["app"]
}
target "web" {}
