variable "NAME" {
  default = "World"
}
target "default" {
  args = {
    dollar = "$NAME $${NAME} 100% %%{if}"
    escapes = "a\tb\nc\"d\\e\u00e9\U0001F600"
    directive = "%{ if NAME == "World" }hello%{ else }bye%{ endif }"
    loop = "%{ for x in ["a", "b"] }<${x}>%{ endfor }"
    strip = "x ${~ NAME ~} y"
    number = "${1}${true}"
    nested = "${"${NAME}"}"
    math = "${1 + 2 * 3 - 4 / 2 % 3} ${-5} ${10 / 4} ${7 % 3}"
  }
  dockerfile-inline = <<EOT
FROM alpine
RUN echo "${NAME}" \
  && true
EOT
  labels = {
    flush = <<-EOT
      one
        two

      three ${NAME}
    EOT
  }
}
