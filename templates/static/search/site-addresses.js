// Addresses of the atlas's pages and pictures, from the search page; urls.py has them for all others.

const part = encodeURIComponent;

export const headPage = (model, id) => `../${part(model)}/${part(id)}/index.html`;
export const propertyPage = (model, slug) => `../${part(model)}/properties/${part(slug)}/index.html`;
export const imagePage = (model, id) => `../${part(model)}/images/${part(id)}/index.html`;
export const picture = (id) => `../gallery/${part(id)}.webp`;
export const smallPicture = (id) => `../gallery/small/${part(id)}.webp`;
