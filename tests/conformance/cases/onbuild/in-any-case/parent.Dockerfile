FROM scratch
onbuild label a=1
