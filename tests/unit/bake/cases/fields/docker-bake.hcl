target "default" {
  context = "https://github.com/username/webapp.git#main"
  dockerfile = ""
  network = "host"
  pull = true
  no-cache = false
  no-cache-filter = ["foo", "foo"]
  shm-size = "128m"
  ulimits = ["nofile=1024:1024"]
  target = "bin"
  secret = ["type=env,id=KUBECONFIG", "type=file,id=aws,src=./aws", "id=x,env=Y"]
  ssh = ["default"]
  output = ["type=image,name=foo,push=true", "type=local,dest=out", "./dir"]
  cache-from = ["type=s3,region=eu-west-1,bucket=mybucket", "user/repo:cache"]
  cache-to = ["type=inline"]
  attest = ["type=provenance,mode=min", "type=sbom", "type=provenance,mode=max"]
  annotations = ["index,manifest:org.opencontainers.image.authors=dvdksn"]
  labels = { "a" = "$${x}" }
}
