// libtorch's own kernels that tch does not bind: fused optimizers, operations over lists of tensors, the switches of
// precision, and pinned memory.
//
// Every function takes tensors as tch holds them (`at::Tensor *`), never keeps one, and lets no exception out: it gives
// back nullptr, or a message that the caller frees with `ds_free`. `at::` operations are dispatched, so this links against
// libtorch_cpu and runs on CUDA once libtorch_cuda is loaded.

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

namespace {

using List = at::Tensor *const *;

std::vector<at::Tensor> tensors(List list, size_t n) {
  std::vector<at::Tensor> found;
  found.reserve(n);
  for (size_t i = 0; i < n; ++i) found.push_back(*list[i]);
  return found;
}

// The fused kernels walk through the memory of a parameter and of what belongs to it side by side, so both must lie in the
// same order; a backward pass may give a gradient in another one.
std::vector<at::Tensor> ordered_as(const std::vector<at::Tensor> &parameters, std::vector<at::Tensor> gradients) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor &parameter = parameters[i];
    at::Tensor &gradient = gradients[i];
    TORCH_CHECK(gradient.sizes() == parameter.sizes(), "a gradient of another shape than its parameter");
    if (gradient.strides() == parameter.strides()) continue;
    if (gradient.is_contiguous() && parameter.is_contiguous()) {
      // Strides that differ along sides of length 1 alone.
      gradient = gradient.as_strided(parameter.sizes(), parameter.strides());
    } else {
      gradient = at::empty_like(parameter).copy_(gradient);
    }
  }
  return gradients;
}

template <typename Body> char *guarded(Body body) {
  try {
    at::NoGradGuard no_grad;
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an exception of unknown kind");
  }
}

at::DeviceType device_type(bool cuda) { return cuda ? at::kCUDA : at::kCPU; }

} // namespace

extern "C" {

void ds_free(char *message) { std::free(message); }

// v <- momentum v + (g + decay p), p <- p - lr (g + decay p + momentum v); where `first`, v begins as the gradient.
char *ds_sgd(List parameters, List gradients, List velocities, size_t n, double lr, double momentum, double decay,
             bool first) {
  return guarded([&] {
    const auto p = tensors(parameters, n);
    // Without momentum there is no velocity, and the kernel refuses to be given one.
    const bool moves_on = momentum != 0.0;
    const auto v = moves_on ? tensors(velocities, n) : std::vector<at::Tensor>();
    at::_fused_sgd_(p, ordered_as(p, tensors(gradients, n)), v, decay, momentum, lr,
                    /*dampening=*/0.0, /*nesterov=*/moves_on, /*maximize=*/false, first);
  });
}

// Adam, or AdamW where `decoupled`; `step` is this update's number, from 1.
char *ds_adam(List parameters, List gradients, List firsts, List seconds, size_t n, double step, double lr, double beta1,
              double beta2, double decay, double eps, bool decoupled) {
  return guarded([&] {
    if (n == 0) return;
    const auto p = tensors(parameters, n);
    const auto g = ordered_as(p, tensors(gradients, n));
    const auto m = tensors(firsts, n), v = tensors(seconds, n);
    // The kernels only read it, so one serves all.
    const std::vector<at::Tensor> steps(n, at::full({}, step, p[0].options().dtype(at::kFloat)));
    if (decoupled) {
      at::_fused_adamw_(p, g, m, v, {}, steps, lr, beta1, beta2, decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(p, g, m, v, {}, steps, lr, beta1, beta2, decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    }
  });
}

// The norm over all tensors together, a scalar on their device.
char *ds_norm(List list, size_t n, at::Tensor **out) {
  return guarded([&] {
    const auto norms = at::_foreach_norm(tensors(list, n), 2, at::kFloat);
    *out = new at::Tensor(at::linalg_vector_norm(at::stack(norms)));
  });
}

char *ds_scale(List list, size_t n, double factor) {
  return guarded([&] { at::_foreach_mul_(tensors(list, n), factor); });
}

// The factor is a scalar on the tensors' device.
char *ds_scale_by(List list, size_t n, at::Tensor *factor) {
  return guarded([&] { at::_foreach_mul_(tensors(list, n), *factor); });
}

char *ds_add(List to, List from, size_t n) {
  return guarded([&] { at::_foreach_add_(tensors(to, n), tensors(from, n)); });
}

// to <- to + weight (from - to)
char *ds_lerp(List to, List from, size_t n, double weight) {
  return guarded([&] { at::_foreach_lerp_(tensors(to, n), tensors(from, n), weight); });
}

char *ds_copy(List to, List from, size_t n) {
  return guarded([&] { at::_foreach_copy_(tensors(to, n), tensors(from, n)); });
}

// Opens a region in which operations that gain by it run in float16 or bfloat16.
char *ds_autocast_enter(bool cuda, bool half) {
  return guarded([&] {
    at::autocast::set_autocast_dtype(device_type(cuda), half ? at::kHalf : at::kBFloat16);
    at::autocast::set_autocast_enabled(device_type(cuda), true);
    at::autocast::increment_nesting();
  });
}

char *ds_autocast_leave(bool cuda) {
  return guarded([&] {
    // Weights that were cast once for the whole region.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_type(cuda), false);
  });
}

// Whether CUDA's convolutions in float32 may round their factors to 10 bits (TF32). Of the whole process.
char *ds_tf32(bool allowed) {
  return guarded([&] {
    const auto precision = allowed ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, precision);
  });
}

// Bytes in memory that a GPU reads by itself where `pinned`, else in ordinary memory.
char *ds_bytes(const void *bytes, size_t n, bool pinned, at::Tensor **out) {
  return guarded([&] {
    auto tensor = at::empty({static_cast<int64_t>(n)}, at::TensorOptions().dtype(at::kByte).pinned_memory(pinned));
    std::memcpy(tensor.mutable_data_ptr(), bytes, n);
    *out = new at::Tensor(std::move(tensor));
  });
}
}
