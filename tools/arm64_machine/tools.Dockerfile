# A base for two CPUs whose arm64 variant can stand in for the compilers of the other: on a
# machine without a network nothing can be fetched. In one layer, without what is only read by
# people, for an emulated CPU to unpack.
FROM debian:trixie AS whole
ARG TARGETARCH
RUN if [ "$TARGETARCH" = arm64 ]; then apt-get update && \
    apt-get install -y --no-install-recommends gcc-14-x86-64-linux-gnu; fi
RUN cd /usr/share && rm -rf doc locale man i18n info zoneinfo /var/cache/apt /var/lib/apt/lists/*

FROM scratch
COPY --from=whole / /
