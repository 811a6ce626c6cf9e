target "base" {
  tags = ["base:1"]
  args = { VERSION = "1.2" }
  dockerfile = "base.Dockerfile"
}
group "all" {
  targets = ["app"]
}
target "app" {
  dockerfile = target.base.dockerfile
  tags = ["app:${target.base.args.VERSION}", target.base.tags[0]]
  args = { GROUP = group.all.targets[0] }
}
