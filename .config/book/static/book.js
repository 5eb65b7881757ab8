/**
 * What is printed is light: the theme of the page comes back afterwards.
 */
(() => {
  const { dataset } = document.documentElement;
  let theme;
  addEventListener('beforeprint', () => {
    theme = dataset.theme;
    dataset.theme = 'light';
  });
  addEventListener('afterprint', () => {
    dataset.theme = theme;
  });
})();

/**
 * Figures that live: when a still picture comes into view, Plotly draws the figure in its place, in
 * the colours of the page. Without scripts, in print and if anything fails, the picture stays.
 *
 * Plotly and the description of each figure are files of the book, loaded once and by need.
 */
(() => {
  const base = new URL('.', document.currentScript.src);
  const waiting = new Map(); // name of a figure → its element
  const drawn = new Map(); // element of a live figure → its description

  const load = (url) =>
    new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${url} could not be loaded`));
      document.head.append(script);
    });
  let plotly;
  const loadPlotly = () => {
    plotly ??= load(new URL('plotly.js', base));
    return plotly;
  };

  /** Called by the file of a figure. */
  window.cacheOnceFigure = (name, figure) => {
    const place = waiting.get(name);
    waiting.delete(name);
    if (place) void draw(place, figure);
  };

  async function draw(place, figure) {
    try {
      await loadPlotly();
      const live = document.createElement('div');
      live.className = 'live';
      live.setAttribute('role', 'img');
      live.setAttribute('aria-label', place.querySelector('img')?.alt ?? place.textContent);
      place.append(live);
      const { data, layout } = fitted(inPageColours(figure), place.clientWidth);
      await Plotly.newPlot(live, data, layout, { responsive: true, displaylogo: false });
      place.classList.add('is-live');
      drawn.set(live, figure);
    } catch (error) {
      place.querySelector('.live')?.remove();
      console.error(error);
    }
  }

  /** Text, axes and what is drawn in black or in the grey of text: in the colour of the page's text. */
  function inPageColours({ data, layout }) {
    const style = getComputedStyle(document.body);
    const ink = style.color;
    const grid = style.getPropertyValue('--pst-color-border');
    const isInk = (key, value) =>
      /color/i.test(key) &&
      typeof value === 'string' &&
      /^(#000|#000000|black|#797979)$/i.test(value);
    const copy = JSON.parse(JSON.stringify({ data, layout }), (key, value) =>
      isInk(key, value) ? ink : value,
    );
    const inked = { height: 420, ...copy.layout, width: undefined, autosize: true };
    inked.paper_bgcolor = inked.plot_bgcolor = 'rgba(0, 0, 0, 0)';
    inked.font = { ...inked.font, color: ink };
    for (const name of Object.keys(inked)) {
      if (!/^[xy]axis\d*$/.test(name)) continue;
      inked[name] = { zerolinecolor: grid, linecolor: grid, ...inked[name], gridcolor: grid };
    }
    return { data: copy.data, layout: inked };
  }

  /** On a phone: a title in several lines, and the legend below instead of beside the chart. */
  function fitted({ data, layout }, width) {
    if (width >= 560) return { data, layout };
    const title = typeof layout.title === 'string' ? { text: layout.title } : layout.title;
    const lines = wrapped(title?.text ?? '', width / 8.5);
    const names = data.filter(({ name, showlegend }) => name && showlegend !== false).length;
    const rows = layout.showlegend === false || names < 2 ? 0 : names;
    const narrow = {
      ...layout,
      height: layout.height + 20 * rows,
      title: { ...title, text: lines.join('<br>'), font: { ...title?.font, size: 14 } },
      legend: {
        ...layout.legend,
        orientation: 'h',
        x: 0,
        yref: 'container',
        y: 0,
        yanchor: 'bottom',
      },
      margin: { ...layout.margin, l: 55, r: 15, t: 30 + 20 * lines.length, b: 70 + 20 * rows },
    };
    return { data, layout: narrow };
  }

  function wrapped(text, columns) {
    const lines = [''];
    for (const word of text.split(/<br>|\s+/)) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (longer.length > columns && lines.at(-1) !== '') lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  }

  function start() {
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          observer.unobserve(target);
          const name = target.dataset.figure;
          waiting.set(name, target);
          load(new URL(`../figures/${name}.js`, base)).catch(console.error);
        }
      },
      { rootMargin: '300px' },
    );
    for (const place of document.querySelectorAll('[data-figure]')) observer.observe(place);
    new MutationObserver(() => {
      for (const [live, figure] of drawn) {
        const { data, layout } = fitted(inPageColours(figure), live.clientWidth);
        void Plotly.react(live, data, layout);
      }
    }).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }
  start();
})();
