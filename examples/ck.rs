fn main() {
    for p in std::env::args().skip(1) {
        let t = std::time::Instant::now();
        match distillscope::yolo::checkpoint::open(p.as_ref()) {
            Ok(c) => { println!("{p}: {} {:?} nc {} tensors {} strides {:?} anchors {:?} act {:?} fused {} modules {} in {:?}", c.format, c.model.names, c.model.nc, c.tensors.len(), c.model.strides, c.model.anchors_px, c.model.activation, c.model.fused, c.model.modules.len(), t.elapsed());
              println!("{}", c.model.yaml.as_ref().map(|y| y.to_string().chars().take(200).collect::<String>()).unwrap_or_default()); 
              let f = c.read_f32(&c.tensors[0].name).unwrap(); println!("{:?} {:?}", c.tensors[0], &f[..4]); }
            Err(e) => println!("{e}"),
        }
    }
}
