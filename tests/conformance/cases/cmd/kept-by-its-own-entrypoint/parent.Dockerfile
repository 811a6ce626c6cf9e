FROM scratch
CMD ["one"]
