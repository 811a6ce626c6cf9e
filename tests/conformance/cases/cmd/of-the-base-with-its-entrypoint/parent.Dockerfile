FROM scratch
ENTRYPOINT ["entry"]
CMD ["one"]
