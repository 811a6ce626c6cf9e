arches = ["amd64", "arm64"]
objects = [{ name = "x", n = 1 }, { name = "y", n = 2 }]
target "default" {
  platforms = [for arch in arches : "linux/${arch}"]
  tags = [for i, o in objects : "app:${o.name}${i}" if o.n > 1]
  args = merge(
    { for o in objects : upper(o.name) => o.n },
    {
      SPLAT = join(",", objects[*].name)
      OLD = join(",", objects.*.name)
      FIRST = objects[0].name
      LEGACY = objects.1.name
      "quoted key" = "v"
      ("computed${1 + 1}") = "w"
    },
    { for k, v in { b = 2, a = 1 } : k => "${k}${v}" },
    { for g, l in { for o in ["ab", "ac", "bd"] : substr(o, 0, 1) => o... } : "G${g}" => join("-", l) },
  )
}
