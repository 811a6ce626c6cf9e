target "app" {
  args = { C = "4" }
  tags = ["hcl"]
}
