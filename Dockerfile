# The image of Bowline: one static program, the authorities that browsers trust, and nothing else. No shell, no package manager,
# no git: Bowline speaks git itself.
#
#   docker build --tag bowline:0.1.0 .
#
# Estates at ssh:// addresses need the system's ssh: docker build --target with-ssh --tag bowline:0.1.0-ssh .
# It needs BuildKit, Docker's builder since 23.0; podman build takes it too.

ARG RUST_VERSION=1.95
ARG DEBIAN_RELEASE=bookworm

FROM rust:${RUST_VERSION}-slim-${DEBIAN_RELEASE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# What the program is made of: see .dockerignore.
COPY . .
# The C library is linked in: glibc rather than musl, because the tests and benchmarks run with it, and musl's allocator is slow
# on several cores. It resolves names from /etc/hosts and by DNS without any other file. A target must be named, or the flag
# would hold for macros too, which are loaded while building. readelf sees to it that the program needs no loader. The feature
# `vsphere` is in the image: building it takes several GB of memory.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile dist --features vsphere --bin bowline --target "$target" \
    && install -D -m 0755 "target/$target/dist/bowline" /out/bowline \
    && headers="$(readelf --program-headers --wide /out/bowline)" \
    && if [[ "$headers" == *INTERP* ]]; then echo "bowline is not static" >&2; exit 1; fi \
    && /out/bowline --version
RUN echo 'bowline:x:65532:65532:Bowline:/var/lib/bowline:/sbin/nologin' >/out/passwd \
    && echo 'bowline:x:65532:' >/out/group \
    && install -d -m 0700 /out/state \
    && install -d -m 1777 /out/tmp

# With the system's ssh, for estates at ssh:// addresses. Its keys and known hosts are mounted at /var/lib/bowline/.ssh.
FROM debian:${DEBIAN_RELEASE}-slim AS with-ssh
# hadolint ignore=DL3008 # Debian's stable release changes a version for security alone
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 bowline \
    && useradd --uid 65532 --gid 65532 --home-dir /var/lib/bowline --shell /usr/sbin/nologin bowline
COPY --from=build /out/bowline /usr/local/bin/bowline
COPY --from=build --chown=65532:65532 /out/state /var/lib/bowline
ENV HOME=/var/lib/bowline BOWLINE_STATE=/var/lib/bowline
USER 65532:65532
WORKDIR /var/lib/bowline
ENTRYPOINT ["/usr/local/bin/bowline"]
CMD ["--help"]

FROM scratch AS bowline
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="bowline" \
      org.opencontainers.image.description="A declarative GitOps reconciler for IT operations management" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/passwd /out/group /etc/
COPY --from=build --chown=65532:65532 /out/tmp /tmp
COPY --from=build --chown=65532:65532 /out/state /var/lib/bowline
COPY --from=build /out/bowline /usr/local/bin/bowline
ENV HOME=/var/lib/bowline BOWLINE_STATE=/var/lib/bowline
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /var/lib/bowline
ENTRYPOINT ["/usr/local/bin/bowline"]
CMD ["--help"]
