FROM busybox
ONBUILD COPY <<EOF /file
text of $A
EOF
ONBUILD RUN <<EOF
echo ran > /ran
EOF
