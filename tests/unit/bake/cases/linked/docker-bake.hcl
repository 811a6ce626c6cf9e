target "base" {
  dockerfile = "baseapp.Dockerfile"
  output = ["type=docker"]
  entitlements = ["security.insecure"]
}
target "middle" {
  contexts = { base = "target:base", src = "../src", gone = "" }
}
target "app" {
  contexts = {
    middle = "target:middle"
    alpine = "docker-image://alpine:3.13"
  }
  platforms = ["linux/amd64", "linux/arm64"]
}
