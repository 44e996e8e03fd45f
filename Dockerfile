# syntax=docker/dockerfile:1
# An image with the binary, the C library it needs and CA certificates: no shell, no package manager, not root.
#
#   docker build -t portcullis .
#   docker run --rm -p 8443:8443 portcullis dev --listen 0.0.0.0:8443 --allow-remote

# A Debian with Rust and a C compiler; the C library of the result is this one's.
ARG BUILD_IMAGE=rust:1.95-bookworm
# What the result stands on: nothing, or for instance a "distroless" base.
ARG RUNTIME_IMAGE=scratch

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# Dependencies first, with nothing of ours: this layer is kept until Cargo.lock changes. Tests and benches are declared in
# the manifest and are not here.
COPY Cargo.toml Cargo.lock ./
RUN sed -i '/^\[\[\(bench\|test\)\]\]/,/^$/d' Cargo.toml \
    && mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin portcullis \
    && rm -r src
COPY src src
# cargo looks at times: ours must be newer than the empty ones above.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --bin portcullis

# The files of the result, laid out below /out: the binary, the libraries that it names, and what they look for.
FROM build AS files
RUN set -eu; \
    mkdir -p /out/etc/ssl/certs /out/etc/portcullis /out/var/lib/portcullis /out/tmp /out/licenses; \
    # Without line tables: a tenth of the size. Names stay, for a profile.
    strip --strip-debug -o /out/portcullis target/release/portcullis; \
    # "libc.so.6 => /lib/.../libc.so.6 (0x..)" and the loader, which stands alone; each goes where it was found.
    ldd /out/portcullis | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' \
        | while read -r library; do cp -L --parents "$library" /out; done; \
    cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/; \
    echo 'hosts: files dns' > /out/etc/nsswitch.conf; \
    echo 'portcullis:x:65532:65532:portcullis:/:/sbin/nologin' > /out/etc/passwd; \
    echo 'portcullis:x:65532:' > /out/etc/group; \
    chown -R 65532:65532 /out/var/lib/portcullis; \
    chmod 0700 /out/var/lib/portcullis; \
    chmod 1777 /out/tmp
COPY LICENSE-MIT LICENSE-APACHE /out/licenses/

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Portcullis" \
      org.opencontainers.image.description="A reverse-proxy authentication gateway: checks the JWT of every request" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.documentation="README.md"
COPY --from=files /out /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    STATE_DIRECTORY=/var/lib/portcullis
USER 65532:65532
VOLUME /var/lib/portcullis
EXPOSE 8443
# TERM drains: running requests end before the process does.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/portcullis", "healthcheck", "--timeout", "4"]
ENTRYPOINT ["/portcullis"]
CMD ["run"]
