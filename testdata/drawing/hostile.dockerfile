FROM scratch AS one
COPY "<script>alert('1')</script>" "a&b" /
FROM scratch AS two
COPY --from=one /x "/]]>-->\"'<!--${nothing}"
RUN <<EOF
echo '</title></svg>' && echo "\n" "%s" {{.}}
EOF
LABEL a="</style>"
RUN printf "\033[2J[31m ‮evil"
