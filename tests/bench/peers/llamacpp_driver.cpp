// SPDX-License-Identifier: Apache-2.0
//
// Times llama.cpp's clip_image_encode on one mmproj GGUF, without a text model.
//
//     driver model.gguf width height threads warmup frames flash(0|1) frame.u8 tokens.f32
#include "clip-impl.h"
#include "clip.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>
#include <vector>

static void quiet(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_WARN)
        fputs(text, stderr);
}

int main(int argc, char **argv)
{
    if (argc != 10)
        return 2;
    const int w = atoi(argv[2]), h = atoi(argv[3]), threads = atoi(argv[4]);
    const int warmup = atoi(argv[5]), frames = atoi(argv[6]);

    ggml_log_set(quiet, nullptr);
    mtmd_log_set(quiet, nullptr);
    clip_context_params p = {};
    p.use_gpu = false;
    p.flash_attn_type =
        atoi(argv[7]) ? CLIP_FLASH_ATTN_TYPE_ENABLED : CLIP_FLASH_ATTN_TYPE_DISABLED;
    p.image_min_tokens = p.image_max_tokens = -1;
    p.warmup = false;
    clip_ctx *ctx = clip_init(argv[1], p).ctx_v;
    if (!ctx)
        return 1;

    std::vector<unsigned char> u8((size_t)w * h * 3);
    FILE *f = fopen(argv[8], "rb");
    if (!f || fread(u8.data(), 1, u8.size(), f) != u8.size())
        return 1;
    fclose(f);
    std::vector<float> px(u8.size()), out;
    for (size_t i = 0; i < px.size(); i++)
        px[i] = u8[i] / 255.0f;
    clip_image_f32 img;
    img.set_size({w, h}, false, false);
    img.cpy_buf(px);
    out.resize((size_t)clip_n_output_tokens(ctx, &img) * clip_n_mmproj_embd(ctx));

    printf("{\"times\": [");
    for (int i = 0; i < warmup + frames; i++) {
        const auto start = std::chrono::steady_clock::now();
        if (!clip_image_encode(ctx, threads, &img, out))
            return 1;
        const std::chrono::duration<double> s = std::chrono::steady_clock::now() - start;
        if (i >= warmup)
            printf("%s%.6f", i > warmup ? ", " : "", s.count());
    }
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    printf("], \"rss_mb\": %.1f}\n", r.ru_maxrss / 1024.0);
    f = fopen(argv[9], "wb");
    if (!f || fwrite(out.data(), sizeof(float), out.size(), f) != out.size())
        return 1;
    fclose(f);
    clip_free(ctx);
    return 0;
}
