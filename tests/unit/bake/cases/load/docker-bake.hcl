target "a" { tags = ["a"] }
target "b" { output = ["type=image,name=b"] }
target "c" { output = ["type=local,dest=out"] }
target "d" { output = ["type=docker"] }
