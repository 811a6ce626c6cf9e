FROM busybox
ONBUILD RUN --mount=from=config,target=/opt/appconfig cp /opt/appconfig/file /said
