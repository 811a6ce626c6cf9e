group "default" {
  targets = ["one", "two"]
}
group "two" {
  targets = ["b", "three", "b"]
}
group "three" {
  targets = ["c"]
}
target "one" {}
target "b" {}
target "c" {}
target "default" {
  tags = ["never"]
}
