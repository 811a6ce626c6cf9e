target "default" {
  tags = [
    "a",
    "b"
  ]
  args = {
    A = 1 + 2
    B = upper(
      "x"
    )
    C = [
      "p", "q"
    ][1]
  }
  labels = {"one" = "1", "two" = "2",}
}
group "g" { targets = ["default"] }
