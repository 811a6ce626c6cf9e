target "app-dev" {
  args = {
    GO_VERSION = "1.20"
    BUILDX_EXPERIMENTAL = 1
  }
  tags = ["docker.io/username/myapp"]
  dockerfile = "app.Dockerfile"
  labels = {
    "org.opencontainers.image.source" = "https://github.com/username/myapp"
  }
  annotations = ["a=1"]
  ulimits = ["nofile=1024:1024"]
}
target "_release" {
  args = {
    BUILDKIT_CONTEXT_KEEP_GIT_DIR = 1
    BUILDX_EXPERIMENTAL = 0
  }
  annotations = ["b=2", "a=1"]
  no-cache = true
}
target "app-release" {
  inherits = ["app-dev", "_release"]
  platforms = ["linux/amd64", "linux/arm64"]
  args = { GO_VERSION = null, MORE = true }
  labels = { x = "y" }
  cache-from = ["user/app:cache"]
}
target "app-again" {
  inherits = ["app-release"]
  cache-from = ["type=local,src=cache"]
  tags = []
}
