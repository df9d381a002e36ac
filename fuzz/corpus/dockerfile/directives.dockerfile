# escape=`
# escape=\
# check=x
FROM a
