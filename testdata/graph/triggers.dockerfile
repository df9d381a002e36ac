FROM trigger
ADD archive.tar.gz dir/
RUN --network=none echo own
