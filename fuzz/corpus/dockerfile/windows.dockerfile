# escape=`
FROM a
RUN dir `
  c:\ `

  # comment
  /w
COPY a c:\
ENV P="c:\x" Q=a` b
