FROM base
ENV NAME=value
ARG LEVEL=3
COPY <<one <<"two" /files/
$NAME
one
$NAME
two
RUN <<EOF
echo $NAME
EOF
RUN <<EOF
#!/usr/bin/env python3
print("hi")
EOF
USER app
RUN ["true", "$NAME"]
