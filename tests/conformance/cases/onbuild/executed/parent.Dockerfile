FROM busybox
ONBUILD COPY . /app/
ONBUILD RUN touch /app/triggered
