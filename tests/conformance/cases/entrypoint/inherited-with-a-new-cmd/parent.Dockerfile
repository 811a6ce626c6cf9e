FROM busybox
ENTRYPOINT ["top", "-b"]
CMD ["-d"]
