RUN true
COPY a b
FROM scratch
