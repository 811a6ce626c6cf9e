target "app-1" {}
target "app-2" {}
target "web" {}
group "app-all" { targets = ["web"] }
