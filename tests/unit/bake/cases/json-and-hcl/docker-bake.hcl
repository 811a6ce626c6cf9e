target "app" {
  args = { H = "2", V = V }
}
target "other" { inherits = ["app"] }
