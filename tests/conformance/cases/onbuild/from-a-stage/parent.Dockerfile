FROM scratch
ONBUILD COPY --from=build /made /app
