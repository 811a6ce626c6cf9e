FROM busybox
ONBUILD RUN echo x >> /log
