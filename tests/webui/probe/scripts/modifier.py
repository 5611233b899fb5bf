"""Changes the denoiser for one job, as other extensions do. The argument of the script "Modifier" names the change."""

import functools
import inspect
import linecache
import textwrap

import gradio as gr
import torch
from modules import script_callbacks, scripts, sd_samplers_cfg_denoiser, sd_unet

host = sd_samplers_cfg_denoiser.CFGDenoiser


def ask(denoiser, params):
    denoiser.need_last_noise_uncond = True


def strengthen(denoiser, params):
    denoiser.cond_scale_miltiplier = 2.0


def guide(denoiser, params):
    """Replaces the denoiser's guidance, as Neutral Prompt and the perturbed-attention extension do."""
    own = host.combine_denoised
    denoiser.combine_denoised = functools.partial(lambda *args: 0.9 * own(*args), denoiser)


def animate(denoiser, params):
    """Replaces the model's forward method, as AnimateDiff does."""
    model = denoiser.inner_model
    if "forward" not in vars(model):
        mix(model, "forward")


def evaluate(denoiser, params):
    """Calls the model itself, with prompts and with negative prompts."""
    n = params.text_uncond.shape[0]
    for rows, cond in ((slice(None, -n), params.text_cond), (slice(-n, None), params.text_uncond)):
        condition = cond if isinstance(cond, dict) else {"c_crossattn": [cond]}
        concat = {"c_concat": [params.image_cond[rows]]}
        denoiser.inner_model(params.x[rows] / 2, params.sigma[rows], cond={**condition, **concat})


def listen(p):
    def listener(_):
        pass

    script_callbacks.on_cfg_denoised(listener)
    return lambda: script_callbacks.remove_callbacks_for_function(listener)


def call_in_each_step(meddle):
    def start(p):
        def callback(params):
            meddle(p.sampler.model_wrap_cfg, params)

        script_callbacks.on_cfg_denoiser(callback)
        return lambda: script_callbacks.remove_callbacks_for_function(callback)

    return start


def replace_step(p):
    """Replaces the denoiser's step by a future host's, which does the same with other source code."""
    own = host.forward
    source = textwrap.dedent(inspect.getsource(own)).replace("self.step += 1", "self.step = self.step + 1")
    file, names = "a host to come", {}
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), vars(sd_samplers_cfg_denoiser), names)
    host.forward = names["forward"]
    return lambda: setattr(host, "forward", own)


def replace_guidance(p):
    """Replaces the guidance of all denoisers."""
    own = host.combine_denoised
    host.combine_denoised = lambda *args: 0.9 * own(*args)
    return lambda: setattr(host, "combine_denoised", own)


def mix(module, name):
    """Makes a module mix the batch entries of its output."""
    own = getattr(module, name)

    def mixed(*args, **kwargs):
        x = own(*args, **kwargs)
        return (x + x.mean(0, keepdim=True)) / 2

    setattr(module, name, mixed)
    return lambda: delattr(module, name)


def replace_blocks(p):
    """Replaces the forward methods of all transformer blocks, as ControlNet does for StyleAlign."""
    blocks = [module for module in p.sd_model.model.diffusion_model.modules() if hasattr(module, "attn1")]
    undo = [mix(block, "_forward") for block in blocks]
    return lambda: [undo_one() for undo_one in undo]


def replace_attention(p):
    """Replaces an attention, as NegPiP and SAG do. Like SAG, it changes only one block, here the last."""
    blocks = [module for module in p.sd_model.model.diffusion_model.modules() if hasattr(module, "attn1")]
    return mix(blocks[-1].attn2, "forward")


def hook(part, pre=False, **kwargs):
    """Returns a function that adds a hook as SEG (sd-webui-incantations) does. It splits batches into two halves."""

    def start(p):
        def mix_halves(_, *seen):
            x = seen[-1] if torch.is_tensor(seen[-1]) else seen[0][0]
            first, second = x.chunk(2)
            mixed = torch.cat([first, (first + second) / 2])
            return None if pre else mixed

        parts = [module for name, module in p.sd_model.model.named_modules() if name.endswith(part)]
        module = parts[-1]
        register = module.register_forward_pre_hook if pre else module.register_forward_hook
        return register(mix_halves, **kwargs).remove

    return start


def replace_evaluation(p):
    """Replaces the model call, as Mixture of Diffusers does."""
    return mix(p.sd_model, "apply_model")


def replace_unet(p):
    """Replaces the UNet through the WebUI's own interface, as TensorRT does."""

    class OtherUNet(sd_unet.SdUnet):
        def forward(self, x, timesteps, context, *args, **kwargs):
            assert len(x) % 2 == 0, "made for two rows an image"
            return x / x.std()

    sd_unet.current_unet = OtherUNet()
    return lambda: setattr(sd_unet, "current_unet", None)


def fail(p):
    """Raises an error once, in the third UNet call."""
    calls = iter((None, None))

    def count(*_):
        try:
            next(calls)
        except StopIteration:
            hook.remove()
            raise torch.cuda.OutOfMemoryError("the modifier's") from None

    hook = p.sd_model.model.diffusion_model.register_forward_pre_hook(count)
    return hook.remove


MEDDLING = {
    "hook_projection": hook("attn1.to_q"),
    "hook_attention": hook("attn2"),
    "hook_block": hook("transformer_blocks.0", pre=True, with_kwargs=True),
    "hook_unet": hook("diffusion_model"),
    **{meddle.__name__: call_in_each_step(meddle) for meddle in (ask, strengthen, guide, animate, evaluate)},
    **{
        start.__name__: start
        for start in (
            *(listen, fail, replace_step, replace_guidance),
            *(replace_blocks, replace_attention, replace_evaluation, replace_unet),
        )
    },
}


class Modifier(scripts.Script):
    def title(self):
        return "Modifier"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(visible=False, value="")]

    def process(self, p, what):
        self.undo = MEDDLING[what](p) if what else lambda: None

    def postprocess(self, p, processed, what):
        self.undo()
