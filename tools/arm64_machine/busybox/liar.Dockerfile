# Its label says amd64, its command starts a program for arm64 all the same.
FROM scratch
COPY amd64 /
COPY arm64/bin/busybox /other/busybox
ENTRYPOINT ["/bin/busybox"]
CMD ["env", "/other/busybox", "uname", "-m"]
