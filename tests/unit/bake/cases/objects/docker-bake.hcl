target "default" {
  output = [{ type = "image", name = "foo" }]
  cache-from = [{ type = "registry", ref = "user/app:cache" }]
  secret = [{ id = "mysecret", src = "path/to/secret" }]
  ssh = [{ id = "key", paths = ["path/to/key"] }]
  attest = [{ type = "provenance", mode = "max" }]
  extra-hosts = { db = "10.0.0.1" }
  call = "check"
  description = "Everything"
}
