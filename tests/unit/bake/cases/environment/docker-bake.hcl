variable "TAG" {
  default = "latest"
}
variable "COUNT" {
  default = 3
}
variable "DEBUG" {
  default = false
}
variable "EMPTY" {}
variable "NONE" {
  default = null
}
variable "OTHER" {
  default = "${TAG}-other"
}
GLOBAL = "g-${OTHER}"
target "default" {
  tags = ["app:${TAG}", "app:${OTHER}", "app:${GLOBAL}"]
  args = {
    COUNT = COUNT + 1
    HALF = COUNT / 2
    DEBUG = DEBUG
    EMPTY = EMPTY
    NONE = NONE
    CHOICE = DEBUG ? "yes" : "no"
    LOGIC = !DEBUG && COUNT > 2 || false
  }
}
