FROM a
RUN <<EOF
set -e
	make $X
EOF
RUN <<-"EOF" bash -s
		echo $X
	EOF
COPY <<a <<-b 3<<c /d/
one
a
	two
	b
three
c
ONBUILD RUN <<EOF
later
EOF
RUN echo "<<no" $((1<<2)) <<<no
