FROM busybox
ONBUILD RUN --mount=from=config,target=/mnt cp /mnt/setting /set
