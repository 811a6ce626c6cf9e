target "default" {
  args = {
    basename = basename("/a/b.txt")
    dirname = dirname("/a/b.txt")
    sanitize = sanitize("a.b/c d-e")
    indexof = indexof(["a", "b"], "b")
    semver = semvercmp("1.22.3", ">= 1.20, < 2")
    semverless = semvercmp("1.2", "~1.3 || ^3")
    rfc3339 = rfc3339parse("2024-05-17T10:30:00Z").month_name
    unix = unixtimestampparse(0).rfc3339
    stamp = formattimestamp("X", "2015-10-21T00:00:00Z")
  }
}
